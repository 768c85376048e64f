"""Everything of a fit at once; a tenth of the rows is held out, as by default."""

import sys

import numpy as np

import diffeo

X = np.load(sys.argv[1])
flow = diffeo.NSF(8).fit(X, epochs=20, batch_size=256, progress=False)
print(flow.record["history"][-1]["train"])
