"""Locks and their like: those of threading, faster, and between processes."""
