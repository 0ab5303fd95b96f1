"""Who is asking: keys, the principal behind one, tickets for browsers, wrong keys counted and revoked ones noticed; not
what a principal may have, which the gateway's limits say."""
