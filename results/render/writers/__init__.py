"""Writers of tables, one per format; the only place that formats values and escapes texts."""
