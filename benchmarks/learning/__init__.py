"""What the learning loop is worth: drift noticed, what new versions bring and cost, and how fast a bad one is gone."""
