// The precompiled header of the torch tests needs one file to belong to; see tests/CMakeLists.txt.
