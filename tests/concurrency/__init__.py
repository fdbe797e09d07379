"""Several worker processes, several instances, several databases: the same promises, also when one is killed."""
