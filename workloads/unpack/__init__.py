"""The unpack workload: a bundle of files in, an inventory of them out, by way of the temporary disk."""
