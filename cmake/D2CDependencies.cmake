# The small libraries of the core ring, as one target d2c::dependencies. Used by the build and by
# the installed package. Everything that is missing is named at once, with its Debian package.

function(d2c_find_dependencies)
  if(TARGET d2c::dependencies)
    return()
  endif()
  set(missing "")
  # Some packages have a CMake file and some only a header; both are looked for the same way.
  function(d2c_find_header variable header package)
    find_path(D2C_${variable}_INCLUDE ${header})
    mark_as_advanced(D2C_${variable}_INCLUDE)
    if(NOT D2C_${variable}_INCLUDE)
      list(APPEND missing "${header} (Debian package ${package})")
      set(missing "${missing}" PARENT_SCOPE)
    endif()
  endfunction()
  function(d2c_find_shared variable name package)
    find_library(D2C_${variable}_LIBRARY ${name})
    mark_as_advanced(D2C_${variable}_LIBRARY)
    if(NOT D2C_${variable}_LIBRARY)
      list(APPEND missing "lib${name} (Debian package ${package})")
      set(missing "${missing}" PARENT_SCOPE)
    endif()
  endfunction()

  d2c_find_header(HANA boost/hana.hpp libboost1.81-dev)
  d2c_find_header(RANGES range/v3/version.hpp librange-v3-dev)
  d2c_find_header(TOML toml++/toml.h libtomlplusplus-dev)
  d2c_find_shared(TOML tomlplusplus libtomlplusplus-dev)
  d2c_find_header(CLI11 CLI/CLI.hpp libcli11-dev)
  d2c_find_header(JSON nlohmann/json.hpp nlohmann-json3-dev)
  d2c_find_header(XXHASH xxhash.h libxxhash-dev)
  d2c_find_header(ZLIB zlib.h zlib1g-dev)
  d2c_find_shared(ZLIB z zlib1g-dev)
  d2c_find_header(PNG png.h libpng-dev)
  d2c_find_shared(PNG png libpng-dev)
  d2c_find_header(JPEG jpeglib.h libjpeg62-turbo-dev)
  d2c_find_shared(JPEG jpeg libjpeg62-turbo-dev)
  d2c_find_header(UTF8PROC utf8proc.h libutf8proc-dev)
  d2c_find_shared(UTF8PROC utf8proc libutf8proc-dev)
  # Without its trainer. The library brings its own protobuf, and its header includes none.
  d2c_find_header(SENTENCEPIECE sentencepiece_processor.h libsentencepiece-dev)
  d2c_find_shared(SENTENCEPIECE sentencepiece libsentencepiece-dev)
  if(missing)
    list(JOIN missing "\n  " lines)
    message(FATAL_ERROR "d2c: these libraries are missing:\n  ${lines}\n"
                        "Fix: scripts/install-dependencies, or apt-get install the packages named.")
  endif()

  find_package(Threads REQUIRED)
  add_library(d2c::dependencies INTERFACE IMPORTED GLOBAL)
  set(folders "")
  foreach(part IN ITEMS HANA RANGES TOML CLI11 JSON XXHASH ZLIB PNG JPEG UTF8PROC SENTENCEPIECE)
    # /usr/include must not be passed as -isystem: it breaks the #include_next of libstdc++.
    if(NOT D2C_${part}_INCLUDE STREQUAL "/usr/include")
      list(APPEND folders ${D2C_${part}_INCLUDE})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES folders)
  target_include_directories(d2c::dependencies INTERFACE ${folders})
  # Debian's compiled toml++: its bodies are not compiled again in every file.
  target_compile_definitions(d2c::dependencies INTERFACE
    TOML_HEADER_ONLY=0 TOML_SHARED_LIB=1)
  target_link_libraries(d2c::dependencies INTERFACE
    ${D2C_TOML_LIBRARY} ${D2C_PNG_LIBRARY} ${D2C_JPEG_LIBRARY} ${D2C_ZLIB_LIBRARY}
    ${D2C_UTF8PROC_LIBRARY} ${D2C_SENTENCEPIECE_LIBRARY} Threads::Threads)
endfunction()

d2c_find_dependencies()
