from glob import glob

from setuptools import find_packages, setup

NAME = "ur5_rl_bringup"

setup(
    name=NAME,
    version="0.1.0",
    description="The graph as data, the ur5rl command, the monitor node and reports",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", glob("launch/*.launch.py")),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "monitor_node = ur5_rl_bringup.nodes.monitor_node:main",
            "dry_run_node = ur5_rl_bringup.nodes.dry_run_node:main",
            "watch_node = ur5_rl_bringup.nodes.watch_node:main",
        ]
    },
)
