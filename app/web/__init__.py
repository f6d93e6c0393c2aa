"""Pages: the operator's dashboard and the customers' portal, rendered here, and clients of the API in everything."""
