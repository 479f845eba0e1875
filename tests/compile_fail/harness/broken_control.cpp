// d2c-case 1: \[d2c\.test\.always\]
static_assert(sizeof(int) == 1, "[d2c.test.always] the control holds the mistake too");
