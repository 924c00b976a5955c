"""Help, version, and words that the program does not know."""

import pytest
