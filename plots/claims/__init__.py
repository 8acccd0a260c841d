"""The ledger of claims: rules, tests of the rules, and the page of verdicts."""
