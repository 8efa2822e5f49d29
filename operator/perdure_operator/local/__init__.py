"""The local runner: the same manifest and the same decisions, with processes of this machine.

Beside the operator's cluster ring and like it outside of `decide` and `build`, which it executes.
"""
