"""A bundle on a device elsewhere: sent by ssh or adb, run there, its measurements brought home."""
