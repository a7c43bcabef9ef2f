"""What the black-box and the end-to-end tests share: programs, raw HTTP, stand-ins for Nova and the agent, namespaces.

Standard library only. Everything lives in the test's own temporary folder, on loopback or in namespaces it made.
"""
