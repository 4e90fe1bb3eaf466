"""The programme: regions, reforms, returns, plans and releases; who may do what; the store."""
