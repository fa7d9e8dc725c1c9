"""Tables in files: rows in from CSV, JSON Lines and XLSX; rows out to CSV, JSON Lines and
Parquet.
"""
