"""The ledger of the paper's claims: the rules, their tests, and the page of verdicts."""
