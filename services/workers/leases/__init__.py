"""Who holds a row, for every job kind: kept while the work lasts, handed back, lost, or given up. The claim itself is a
`claim_…` of the kind's repository (`*_claims.py`), called where the kind takes its work: whose turn it is differs."""
