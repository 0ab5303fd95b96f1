"""An OpenAI-compatible model server that stands in for OpenAI: it generates and fine-tunes locally.

It knows nothing of the platform around it and imports none of it.
"""

import os

# Has to be set before torch is loaded. Without it OpenMP's threads spin at every barrier, and as soon as another
# process (a training run) wants the same cores, decoding becomes 10 to 16 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
