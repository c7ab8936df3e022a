"""Write docs/simulations.md: PYTHONPATH=tests python -m simulations [trials a scenario]."""

import sys

from simulations.table import RUNS, SEED, TABLE, page, simulated

if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    TABLE.write_text(page(simulated(runs, SEED), runs, SEED), encoding="utf-8")
