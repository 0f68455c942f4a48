"""What all tests share: how long and how hard Hypothesis tries.

No deadline per example: on a busy machine that measures the machine and not the code. The same
examples each time, so that a failure belongs to a change; `--hypothesis-profile=explore` looks
for new ones.
"""

from hypothesis import settings

settings.register_profile("lowtide", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=500, deadline=None)
settings.load_profile("lowtide")
