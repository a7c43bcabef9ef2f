"""Requests by which a guest tries to be another: the corpus, a player, a Nova that records, and a judge.

`corpus/*.txt` are the requests and what comes of them. Tests/BlackBox/test_forged_identity.py plays them against our
programs, Tests/OpenStack/test_forged_identity.py against Debian's haproxy and Neutron's agent as the control, and
docs/threat-model.md shows the differences. All three read the same files.
"""
