"""A process for test_flat_memory.py: ``memory_member.py FOLDER VALUES``.

Evaluates a folder of features in stretches of so many values, and prints as JSON the anonymous
memory in KiB when it was loaded, after each stretch, and the most that was ever seen.
"""

import json
import sys
import threading
from pathlib import Path

from reid_srdl.evaluation import evaluate
from reid_srdl.retrieval.feature_files import load_features
from reid_srdl.retrieval.memory import heap
from reid_srdl.retrieval.streams import stretches


def anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


def main() -> None:
    folder, stretches._VALUES = Path(sys.argv[1]), int(sys.argv[2])
    give_back, after, sampled = heap.give_back, [], [0]
    done = threading.Event()

    def told() -> None:
        give_back()
        after.append(anonymous())

    def sample() -> None:
        while not done.wait(0.003):
            sampled[0] = max(sampled[0], anonymous())

    heap.give_back = told
    sampler = threading.Thread(target=sample)
    sampler.start()
    features = load_features(folder)
    loaded = anonymous()
    evaluate(features)
    done.set()
    sampler.join()
    print(json.dumps({"loaded": loaded, "after": after, "peak": sampled[0]}))


if __name__ == "__main__":
    main()
