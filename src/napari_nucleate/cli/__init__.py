"""The command `nucleate`: the whole loop without a screen."""
