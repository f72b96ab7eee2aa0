"""What `factorloom doctor` looks at, by subject. Each examination changes nothing and returns findings."""
