// d2c-case 1: \[d2c\.test\.always\]
static_assert(D2C_CASE == 0, "[d2c.test.always] only case 1 is declared");
