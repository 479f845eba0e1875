// d2c-case 1: \[d2c\.test\.always\]
#if D2C_CASE == 1
static_assert(sizeof(int) == 1, "[d2c.test.always] the first error matches");
static_assert(sizeof(int) == 2, "[d2c.test.always] a second one follows");
#endif
