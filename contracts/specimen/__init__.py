"""What a specimen is made of: values, row counts, rows per table, planted hazards.  :mod:`contracts.specimens` makes one."""
