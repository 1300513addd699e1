# The PyPI wheels of ROS 2 export include folders of the machine that built them; drop those.
# Passed as -DCMAKE_PROJECT_INCLUDE where the interfaces are built on wheels; a full ROS 2 needs none of it.
function(_drop_foreign_include_folders)
  get_property(_targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(_target IN LISTS _targets)
    get_target_property(_folders ${_target} INTERFACE_INCLUDE_DIRECTORIES)
    if(_folders)
      list(FILTER _folders EXCLUDE REGEX "^/opt/python/")
      set_target_properties(${_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_folders}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL _drop_foreign_include_folders)
