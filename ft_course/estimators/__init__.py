"The estimators and what hangs on a run: callbacks, checkpoints."
