// d2c-case 1: \[d2c\.test\.always\]
int fine = 1;
