"""The journal: people, groups, marks, final grades and exam results, and the exchange with other journals."""
