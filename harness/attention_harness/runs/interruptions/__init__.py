"""A check is disturbed in many ways, goes on, and its rows are compared with those of an undisturbed one."""
