"""A process for test_flat_memory.py: ``memory_member.py FOLDER VALUES``.

Evaluates a folder of features in stretches of so many values, and prints as JSON the anonymous
memory in KiB when it was loaded, the most that was seen in each stretch, and what is left after it.
"""

import json
import sys
import threading
from pathlib import Path

from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features
from reid_srdl.retrieval.memory import heap
from reid_srdl.retrieval.streams import stretches


def anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


def main() -> None:
    folder, stretches._VALUES = Path(sys.argv[1]), int(sys.argv[2])
    give_back, peaks, after, sampled = heap.give_back, [], [], [0]
    done = threading.Event()

    def told() -> None:
        give_back()
        after.append(anonymous())
        peaks.append(sampled[0])
        sampled[0] = 0

    def sample() -> None:
        while not done.wait(0.003):
            sampled[0] = max(sampled[0], anonymous())

    heap.give_back = told
    features = load_features(folder)
    loaded = anonymous()
    sampler = threading.Thread(target=sample)  # threads from before have a heap of their own
    sampler.start()
    evaluate(features)
    done.set()
    sampler.join()
    print(json.dumps({"loaded": loaded, "peaks": peaks, "after": after}))


if __name__ == "__main__":
    main()
