"""Raw to validated: schema, rules, profile, contract."""
