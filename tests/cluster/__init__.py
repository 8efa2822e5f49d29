"""A real Kubernetes cluster for the tests, on one machine, of real parts only.

Everything of one cluster is found from its `Slot`: a folder, a mark in the environment of its
processes, names of bridges and cgroups, a range of addresses. So what a killed run has left behind
can be removed by the next. Nothing listens on an address that other machines reach.
"""
