// d2c-case 1: \[d2c\.test\.always\]
#if D2C_CASE == 1
#warning "[d2c.test.always] this text stands in a warning, the error below is another one"
int broken = undeclared_name;
#endif
