from setuptools import find_packages, setup

NAME = "target_display"

setup(
    name=NAME,
    version="0.1.0",
    description="Draws the target: a red dot on a monitor or off screen",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "display_node = target_display.nodes.display_node:main",
        ]
    },
)
