"""A Kubernetes small enough to be disturbed thousands of times a second: objects with versions, a Job
controller, a kubelet whose trainers keep a lineage, and operators made of the real gather, reconcile
and apply, which can be stopped at each of their requests.
"""
