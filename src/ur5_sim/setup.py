from setuptools import find_packages, setup

NAME = "ur5_sim"

setup(
    name=NAME,
    version="0.1.0",
    description="Virtual UR controller on the real wire protocol, and a virtual wrist camera",
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
            "controller = ur5_sim.nodes.controller:main",
            "camera_node = ur5_sim.nodes.camera_node:main",
        ]
    },
)
