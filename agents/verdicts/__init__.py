"""The verdict parser: a judge's completion as a verdict, or the reason why it is unscored."""
