"""Verdict parser: completion of a judge → verdict, or the reason why the comparison is unscored."""
