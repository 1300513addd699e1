"""Who waits for whom: the three architectures of Yuan 2021, chapter 4. Loads no torch."""

SEQUENTIAL = "sequential"  # act, store, sample, update in line: the environment waits
ASYNC_1 = "async_1"  # the environment goes on; sample, then update
ASYNC_2 = "async_2"  # the next mini-batches are sampled during an update
ARCHITECTURES = (SEQUENTIAL, ASYNC_1, ASYNC_2)
