"""Plain data and its identities; imports nothing but the standard library, and no clock."""
