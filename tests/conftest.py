"""What all tests share: how long and how hard Hypothesis tries.

No deadline per example: on a busy machine that measures the machine and not the code.
"""

from hypothesis import settings

settings.register_profile("lowtide", max_examples=50, deadline=None)
settings.load_profile("lowtide")
