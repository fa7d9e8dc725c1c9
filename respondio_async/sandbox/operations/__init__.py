"""What the operations do, a module for each part of the vendor's reference.

Each is a function from a call to its answer.
"""
