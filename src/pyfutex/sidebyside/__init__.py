"""``python -m pyfutex qiling``: one program natively, on Qiling as released, and on Qiling with pyfutex."""
