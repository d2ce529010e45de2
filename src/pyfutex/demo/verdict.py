"""What must be true of a measurement, whatever it took."""

from collections.abc import Iterable
from itertools import chain

from pyfutex.demo.workload import Load, Measurement


def faults(measurement: Measurement, load: Load) -> list[str]:
    """Say everything that went wrong.

    Returns
    -------
    list of str
        Empty if every thread ended, every item arrived exactly once and in the order its producer sent
        it, the wakes equal the woken waits, and nobody is left asleep.
    """
    found = list(measurement.errors)
    found += _lost_or_repeated(chain.from_iterable(measurement.received), load.n_items)
    found += _out_of_order(measurement.received, load.n_producers)
    ledger = measurement.ledger
    if ledger is None:
        return found
    if ledger.woken != ledger.woken_waits:
        found.append(f"the wakes woke {ledger.woken} threads, but {ledger.woken_waits} waits were woken")
    if ledger.left_queued:
        found.append(f"threads still asleep in the manager: {ledger.left_queued}")
        found += ledger.describe_sleepers()
    return found


def _lost_or_repeated(items: Iterable[int], n_items: int) -> list[str]:
    arrivals = [0] * n_items
    for item in items:
        arrivals[item] += 1
    lost = arrivals.count(0)
    repeated = n_items - lost - arrivals.count(1)
    found = []
    if lost:
        found.append(f"{lost} of {n_items} items never arrived, the first is {arrivals.index(0)}")
    if repeated:
        found.append(f"{repeated} of {n_items} items arrived more than once")
    return found


def _out_of_order(received: list[list[int]], n_producers: int) -> list[str]:
    found = []
    for consumer, items in enumerate(received):
        newest = [-1] * n_producers
        for item in items:
            producer = item % n_producers
            if item <= newest[producer]:
                found.append(f"consumer {consumer} took item {item} after item {newest[producer]}")
                break
            newest[producer] = item
    return found
