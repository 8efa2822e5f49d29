"""The operator as a process: event stream, queue, workers, health. The only ring that imports kopf.

Every event says only "look at this job again"; what is so is read when the job's turn comes.
"""
