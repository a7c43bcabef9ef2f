"""A real OpenStack control plane on this machine, small enough for a test run, of Debian's own packages.

RabbitMQ, MariaDB, Keystone, neutron-server and Nova's metadata API run as plain processes on loopback, with everything
they write in one folder. `python3 scripts/stack up|down|...` is the command line; the tests import the same modules.

    settings     the folder, the ports, the passwords
    releases     where Neutron and Nova come from: Debian's Zed, or the newest of PyPI
    install      makes the virtual environment of the newest
    configuration  the services' files
    processes    start and stop by process id
    services     what runs, in which order, and when each is ready
    schemas      databases, Keystone's first accounts and catalog
    api          Neutron's REST API as its administrator
    seed         networks, routers, ports and instances, through the real APIs
    namespaces   routers, DHCP ports and guests of the seeded networks
    node         Neutron's L3, DHCP and linuxbridge agents, for whoever asks for them
    node_configuration  their files
"""
