"""How far schemes are from optimal, with a certificate."""
