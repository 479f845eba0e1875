// d2c-case 1: \[d2c\.test\.always\]
#if D2C_CASE == 1
int broken = undeclared_name;
#endif
