"""The samplers, one file each; every file in here is found and registered."""
